"""What a protected table risks and what it lost, measured: as data, to be drawn elsewhere."""
