// Publishes messages with paho.mqtt.golang and its file store, the way a Go program keeps what it must not lose, and
// prints how long that took. Arguments: folder of the store, port, number of messages, window, topic, payload.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	if len(os.Args) != 7 {
		log.Fatal("usage: paho folder port messages window topic payload")
	}
	folder, port, topic, payload := os.Args[1], os.Args[2], os.Args[5], []byte(os.Args[6])
	count, window := number(os.Args[3]), number(os.Args[4])

	options := mqtt.NewClientOptions().
		AddBroker("tcp://127.0.0.1:" + port).
		SetClientID("drain").
		SetStore(mqtt.NewFileStore(folder))
	client := mqtt.NewClient(options)
	await(client.Connect())

	start := time.Now()
	startCPU := processorTime()
	var first time.Duration
	var once sync.Once
	slots := make(chan struct{}, count)
	for index := 0; index < count; index++ {
		slots <- struct{}{}
	}
	close(slots)
	var publishing sync.WaitGroup
	for slot := 0; slot < window; slot++ {
		publishing.Add(1)
		go func() {
			defer publishing.Done()
			for range slots {
				// Resolves on PUBACK.
				await(client.Publish(topic, 1, false, payload))
				once.Do(func() { first = time.Since(start) })
			}
		}()
	}
	publishing.Wait()
	took := time.Since(start)
	cpu := processorTime() - startCPU
	client.Disconnect(250)

	err := json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"tookMs": milliseconds(took), "cpuMs": milliseconds(cpu), "firstMs": milliseconds(first),
	})
	if err != nil {
		log.Fatal(err)
	}
}

func await(token mqtt.Token) {
	if token.Wait() && token.Error() != nil {
		log.Fatal(token.Error())
	}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return value
}
