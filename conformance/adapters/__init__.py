"""The adapters that are shipped: each a module that an implementer could have written."""
