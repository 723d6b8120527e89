package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"
)

// Events as vLLM writes them, of the same length. They differ: LiteLLM ends a stream that repeats itself.
var events = func() [16][]byte {
	var made [16][]byte
	for i := range made {
		made[i] = fmt.Appendf(nil, `data: {"id":"chatcmpl-a956696484a8aa2a","object":"chat.completion.chunk",`+
			`"created":1795230639,"model":"tiny","choices":[{"index":0,"delta":{"content":" w%03d"},"logprobs":null,`+
			`"finish_reason":null,"token_ids":null}]}`+"\n\n", i)
	}
	return made
}()

var plain = []byte(`{"id":"chatcmpl-a956696484a8aa2a","object":"chat.completion","created":1795230639,"model":"tiny",` +
	`"choices":[{"index":0,"message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)

// asked is what the engine reads of a request. The pause between two events comes as `seed`, in microseconds: a member
// that every gateway passes on.
type asked struct {
	Stream    bool `json:"stream"`
	MaxTokens int  `json:"max_tokens"`
	Seed      int  `json:"seed"`
}

func serve(port string) {
	http.HandleFunc("/v1/chat/completions", answer)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func answer(w http.ResponseWriter, r *http.Request) {
	var a asked
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !a.Stream {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(plain)))
		w.Write(plain)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := w.(http.Flusher)
	for i := 0; i < a.MaxTokens; i++ {
		if i > 0 && a.Seed > 0 {
			time.Sleep(time.Duration(a.Seed) * time.Microsecond)
		}
		w.Write(events[i%len(events)])
		flusher.Flush()
	}
	w.Write([]byte("data: [DONE]\n\n"))
}
