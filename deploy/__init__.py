"""From an image to a service and back: the stack, and the commands that change it.

Needs boto3 and PyYAML. Of the rest of the project it uses what words errors and prints them,
which needs nothing: who deploys need not install what trains.
"""
