keep = helper
