"""Where a result came from: a record beside the outputs of every job, and what reads the records.

``digest`` names the code of a rule, ``contents`` the bytes of files and folders, ``surroundings``
the machine; ``recorder`` puts them into a ``record`` when a job ends. ``chain`` follows records
from a result down to what came from outside; ``audit``, ``difference`` and ``crate`` use it.
"""
