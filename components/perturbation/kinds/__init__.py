"""The kind of node that disturbs its inputs."""
