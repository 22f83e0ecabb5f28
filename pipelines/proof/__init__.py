"""The proof: from what should serve back to the sources, every byte hashed and every signature verified again.

It works offline on store, endpoint states and trust roots, or on a bundle that holds a copy of all three.
"""
