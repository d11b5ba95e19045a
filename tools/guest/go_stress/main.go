// Goroutines that only a signal preempts, garbage collection, nil pointers, timers and signals.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type node struct {
	next *node
	data [64]byte
}

func recovered() (msg string) {
	defer func() { msg = fmt.Sprint(recover()) }()
	var n *node
	return string(n.data[:1])
}

func main() {
	runtime.GOMAXPROCS(4)
	fmt.Println("nil:", recovered())
	// A loop without calls is only stopped by SIGURG.
	var stop int32
	var spins uint64
	go func() {
		for atomic.LoadInt32(&stop) == 0 {
			spins++
		}
	}()
	go func() {
		x := 0
		for {
			x++
			if x == -1 {
				fmt.Println(x)
			}
		}
	}()
	var wg sync.WaitGroup
	var sum int64
	for g := 0; g < 100; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			var head *node
			for i := 0; i < 2000; i++ {
				head = &node{next: head}
				if i%100 == 0 {
					runtime.Gosched()
					head = nil
				}
			}
			atomic.AddInt64(&sum, int64(g))
		}(g)
	}
	wg.Wait()
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	atomic.StoreInt32(&stop, 1)
	fmt.Println("sum:", sum)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	select {
	case s := <-c:
		fmt.Println("signal:", s)
	case <-time.After(10 * time.Second):
		fmt.Println("no signal")
		os.Exit(1)
	}
	t := time.NewTicker(2 * time.Millisecond)
	for i := 0; i < 10; i++ {
		<-t.C
	}
	fmt.Println("done")
}
