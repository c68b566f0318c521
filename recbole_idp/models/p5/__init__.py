"""P5: recommendation as language processing (RecSys 2022)."""
