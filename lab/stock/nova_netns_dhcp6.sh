#!/bin/sh
# What isc-dhcp's dhclient -6 calls. The system's own script would rewrite the machine's resolv.conf.
case "$reason" in
PREINIT6)
    ip link set "$interface" up
    ;;
BOUND6 | RENEW6 | REBIND6 | REBOOT6)
    ip -6 address replace "$new_ip6_address/${new_ip6_prefixlen:-128}" dev "$interface"
    echo "dhcp: $interface: address $new_ip6_address/${new_ip6_prefixlen:-128}"
    ;;
EXPIRE6 | RELEASE6 | STOP6 | DEPREF6)
    [ -z "$old_ip6_address" ] ||
        ip -6 address delete "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface"
    ;;
esac
exit 0
