def greet():
    log.debug("asked")
    return (START + STEP, cached(3), bool(WORD.match("A ")), ROOT / "x", HALF, add_one(2), KINDS[int], NESTED | {"set": len(NESTED["set"])}, LONG, PROMPT)
