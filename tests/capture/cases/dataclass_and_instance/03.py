origin = Point(3)
shapes = {"o": origin, "kinds": {"x", "y", "z"}}
