package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// said is what one caller counts.
type said struct {
	requests, events, errors int
	firstMs                  []float64
	lastError                string
}

func (s *said) failed(why string) {
	s.errors++
	s.lastError = why
}

type work struct {
	url, key string
	body     []byte
	stream   bool
	until    time.Time
	once     bool
	client   *http.Client
}

func call(words []string) {
	flags := flag.NewFlagSet("callers", flag.ExitOnError)
	count := flags.Int("count", 16, "callers, each with a connection of its own")
	seconds := flags.Float64("seconds", 1, "how long each goes on asking")
	once := flags.Bool("once", false, "each asks once, whatever time that takes")
	events := flags.Int("events", 0, "of a stream; 0: no stream")
	gap := flags.Int("gap-us", 0, "pause between two events")
	model := flags.String("model", "chat", "")
	flags.Parse(words)
	transport := &http.Transport{MaxIdleConnsPerHost: *count, MaxConnsPerHost: *count, DisableCompression: true}
	w := work{
		url: flags.Arg(0), key: os.Getenv("GAUGE_KEY"), stream: *events > 0, once: *once,
		body: question(*model, *events, *gap), client: &http.Client{Transport: transport},
	}
	begun := time.Now()
	w.until = begun.Add(time.Duration(*seconds * float64(time.Second)))
	all := make([]said, *count)
	var group sync.WaitGroup
	for i := range all {
		group.Add(1)
		go func() {
			defer group.Done()
			w.run(&all[i])
		}()
	}
	group.Wait()
	report(all, time.Since(begun).Seconds())
}

func question(model string, events, gap int) []byte {
	message := map[string]string{"role": "user", "content": strings.Repeat("word ", 400)}
	body := map[string]any{"model": model, "stream": events > 0, "messages": []any{message}}
	if events > 0 {
		body["max_tokens"], body["seed"] = events, gap
	}
	text, err := json.Marshal(body)
	if err != nil {
		log.Fatal(err)
	}
	return text
}

func (w work) run(s *said) {
	for first := true; first || (!w.once && time.Now().Before(w.until)); first = false {
		w.one(s)
	}
}

// one request: its first byte is that of the first event, or of the plain answer.
func (w work) one(s *said) {
	begun := time.Now()
	request, err := http.NewRequest("POST", w.url, bytes.NewReader(w.body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+w.key)
	answer, err := w.client.Do(request)
	if err != nil {
		s.failed(err.Error())
		return
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	first, events, last := 0.0, 0, ""
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 || line[0] == ':' {
			continue
		}
		if first == 0 {
			first = float64(time.Since(begun).Microseconds()) / 1000
		}
		events++
		last = ""
		if len(line) < 16 {
			last = string(line)
		}
	}
	if answer.StatusCode != 200 || lines.Err() != nil || (w.stream && last != "data: [DONE]") {
		s.failed(fmt.Sprintf("status %d, %v, the last line is %q", answer.StatusCode, lines.Err(), last))
		return
	}
	s.requests++
	s.events += events
	s.firstMs = append(s.firstMs, first)
}

// cpu seconds of this process so far.
func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func report(all []said, seconds float64) {
	var sum said
	for _, each := range all {
		sum.requests += each.requests
		sum.events += each.events
		sum.errors += each.errors
		sum.firstMs = append(sum.firstMs, each.firstMs...)
		if each.lastError != "" {
			sum.lastError = each.lastError
		}
	}
	sort.Float64s(sum.firstMs)
	at := func(part float64) float64 {
		if len(sum.firstMs) == 0 {
			return 0
		}
		return sum.firstMs[int(part*float64(len(sum.firstMs)-1))]
	}
	text, err := json.Marshal(map[string]any{
		"requests": sum.requests, "events": sum.events, "errors": sum.errors, "error": sum.lastError,
		"seconds": seconds, "cpu_s": cpu(), "p50_ms": at(0.5), "p99_ms": at(0.99),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
