if True:
    def greet(text):
        """Keep
        this indentation."""
        return f"""
    {text}
""" + other(text)
