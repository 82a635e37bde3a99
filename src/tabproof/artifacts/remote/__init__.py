"""The model store: promoted models in a bucket or a directory, laid out as in the registry."""
