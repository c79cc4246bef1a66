"""How F moves where tiles of rows do not sum FᵀX: an X that is sparse and held twice, or wide."""
