greet = "hello"
