class Tree:
    class Leaf:
        def __init__(self, v):
            self.v = v

leaf = Tree.Leaf(4)
KINDS = [Tree.Leaf, Tree]
