def greet(user: UserId, level: Level = "low", other: Either = 1):
    return UserId(user)
