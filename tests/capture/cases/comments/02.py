TABLE["red"] = 1
LATER = LATER + 1  # grew
# says it
@staticmethod
# in words
def label(x):
    # inside
    return f"{x}"  # text

# a record
class Row:
    n = 1  # one
