p = Point()
