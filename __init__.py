"""headstart: does what was learned in simulation help there, and by how much?"""

__version__ = "0.1.0"
