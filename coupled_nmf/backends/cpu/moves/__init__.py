"""How F moves where not tile by tile: X sparse and held twice, or wide."""
