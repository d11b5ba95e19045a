// A net/http server: what a Go service is made of (netpoll, goroutines, GC), on the port of its argument.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
)

func main() {
	var served atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		garbage := make([][]byte, 64)
		for i := range garbage {
			garbage[i] = make([]byte, 4096)
		}
		n := served.Add(1)
		if n%64 == 0 {
			runtime.GC()
		}
		fmt.Fprintf(w, "hello from go %s %d\n", r.URL.Path, len(garbage))
	})
	mux.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) {
		defer func() { fmt.Fprintf(w, "recovered: %v\n", recover()) }()
		var p *int
		*p = 1
	})
	server := &http.Server{Addr: ":" + os.Args[1], Handler: mux}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		<-stop
		_ = server.Shutdown(context.Background())
		close(done)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Println(err)
		os.Exit(1)
	}
	<-done
	fmt.Println("served", served.Load())
}
