def greet(row):
    return (weights[row] * scale).astype(kind).sum().item(), np.random.default_rng(1).integers(10).item(), np.linalg.norm([3, 4]).item()
