def greet(n: Number = LIMIT, *, basket: "Basket | None" = None, first: Optional[T] = None) -> Decimal:
    return Decimal(n)
