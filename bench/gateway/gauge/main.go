// Gauge is what `python -m bench.gateway` measures with: an engine that costs next to nothing, and callers.
//
//	gauge engine PORT          answers POST /v1/chat/completions on the loopback
//	gauge callers FLAGS URL    asks there, and prints one JSON object
//
// Both are in Go because in Python they would take more of the machine than what stands between them.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "engine" {
		serve(os.Args[2])
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "callers" {
		call(os.Args[2:])
		return
	}
	fmt.Fprintln(os.Stderr, "gauge engine PORT | gauge callers FLAGS URL")
	os.Exit(2)
}
