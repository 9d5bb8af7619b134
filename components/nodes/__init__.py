"""The kinds of nodes: one file each, and one row each in :data:`components.nodes.kind.KINDS`."""
