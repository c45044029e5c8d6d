import json

from fdk import response


def handler(ctx, data=None):
    asked = json.loads(data.getvalue() or b"{}")
    if asked.get("act") == "raise":
        raise ValueError("no luck")
    if asked.get("act") == "text":
        headers = {"Content-Type": "text/plain; charset=utf-8", "X-Answer": "yes"}
        return response.Response(ctx, "word: " + ctx.Headers().get("x-word", ""), headers=headers)
    if asked.get("act") == "gateway":
        told = {"method": ctx.Method(), "url": ctx.RequestURL(), "word": ctx.HTTPHeaders().get("x-word")}
        headers = {"Content-Type": "application/json", "X-Answer": "yes"}
        return response.Response(ctx, json.dumps(told), headers=headers, status_code=203)
    seen = {"hello": asked.get("name"), "app": ctx.AppName(), "fn": ctx.FnName(), "call": ctx.CallID()}
    print("seen", asked, flush=True)
    return response.Response(ctx, json.dumps(seen), headers={"Content-Type": "application/json"})
