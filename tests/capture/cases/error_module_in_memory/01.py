import types
mod = types.ModuleType("made_up")
