"""The tests, in the folders of recbole_idp. A package, so that no other of this name hides what support/ holds."""
