"""The model store: promoted models in a bucket or a directory.

    <store>/<name>/versions/<run id>/          the files of the run, as in the registry
    <store>/<name>/signatures/<run id>.json    a signature of its manifest, if it has one
    <store>/<name>/pointer.json                the current version, and the history; written last

Importing this package loads neither fsspec nor cryptography; `store` and `signature` do.
"""
