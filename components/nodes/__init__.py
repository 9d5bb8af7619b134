"""The kinds of nodes: one file each, one row each in :data:`components.nodes.table.KINDS`."""
