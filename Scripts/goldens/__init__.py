"""The goldens, one module a section; run by `make_goldens.py`."""
