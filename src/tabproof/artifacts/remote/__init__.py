"""The model store: promoted models in a bucket or a directory, pushed there and pulled from there.

    <store>/<name>/versions/<run id>/          the files of the run, as in the registry
    <store>/<name>/signatures/<run id>.json    who vouches for its manifest, if anybody does
    <store>/<name>/pointer.json                the current version, and the history; written last

Importing this package loads neither fsspec nor cryptography: `place` and `signature` do.
"""
