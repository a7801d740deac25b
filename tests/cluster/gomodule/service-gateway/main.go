// Command service-gateway stands in for kube-proxy for the one Service that every pod may need: it listens on the
// cluster IP of "kubernetes" and passes connections on to the API server, which listens on the loopback only.
package main

import (
	"flag"
	"io"
	"log"
	"net"
)

func relay(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	pipe := func(destination, source net.Conn) {
		io.Copy(destination, source)
		done <- struct{}{}
	}
	go pipe(server, client)
	go pipe(client, server)
	<-done
}

func main() {
	listen := flag.String("listen", "10.96.0.1:443", "the cluster IP and port of the Service \"kubernetes\"")
	target := flag.String("target", "127.0.0.1:26443", "the API server")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(client, *target)
	}
}
