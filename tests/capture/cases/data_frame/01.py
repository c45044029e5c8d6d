import pandas as pd
prices = pd.DataFrame({"item": ["tea", "milk"], "price": [2.5, 1.5]})
