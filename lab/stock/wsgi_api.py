# SPDX-License-Identifier: Apache-2.0
"""One WSGI API in a process of its own.

Usage: wsgi_api.py MODULE PORT [ARGUMENT...]   (the arguments are for the service itself)
"""

import importlib
import sys


def main():
    module, port, *arguments = sys.argv[1:]
    sys.argv[:] = [module, *arguments]
    application = importlib.import_module(module).application

    from serving import serve

    serve(application, int(port))


main()
