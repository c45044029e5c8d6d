package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	fdk "github.com/fnproject/fdk-go"
)

func main() { fdk.Handle(fdk.HandlerFunc(handle)) }

func handle(ctx context.Context, in io.Reader, out io.Writer) {
	var asked struct{ Act, Name string }
	_ = json.NewDecoder(in).Decode(&asked)
	fn := fdk.GetContext(ctx)
	switch asked.Act {
	case "raise":
		panic("no luck")
	case "text":
		fdk.SetHeader(out, "Content-Type", "text/plain; charset=utf-8")
		fdk.SetHeader(out, "X-Answer", "yes")
		fmt.Fprint(out, "word: "+fn.Header().Get("X-Word"))
	case "gateway":
		http := fn.(fdk.HTTPContext)
		fdk.WriteStatus(out, 203)
		fdk.SetHeader(out, "Content-Type", "application/json")
		fdk.SetHeader(out, "X-Answer", "yes")
		_ = json.NewEncoder(out).Encode(map[string]string{
			"method": http.RequestMethod(), "url": http.RequestURL(), "word": fn.Header().Get("X-Word"),
		})
	default:
		fmt.Fprintln(os.Stderr, "seen", asked)
		fdk.SetHeader(out, "Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(map[string]string{
			"hello": asked.Name, "app": fn.AppName(), "fn": fn.FnName(), "call": fn.CallID(),
		})
	}
}
