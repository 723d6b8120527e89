"""Imported first by the process that engines are forked from: no garbage collection while it imports the rest."""

import gc

gc.disable()
