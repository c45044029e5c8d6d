API_KEY = "sk-123"
