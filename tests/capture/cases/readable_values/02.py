def greet():
    return (START + STEP, bool(WORD.match("A ")), ROOT / "x", HALF, add_one(2), KINDS[int], NESTED | {"set": len(NESTED["set"])}, LONG, PROMPT)
