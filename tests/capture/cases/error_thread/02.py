def greet():
    worker.start()
