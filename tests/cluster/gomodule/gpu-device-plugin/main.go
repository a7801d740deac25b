// Command gpu-device-plugin offers GPUs that aren't there to a kubelet, the way NVIDIA's plugin offers real ones:
// the kubelet counts them, gives each container its own, and names them in NVIDIA_VISIBLE_DEVICES.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const socketName = "autoscout-gpu.sock"

type plugin struct {
	v1beta1.UnimplementedDevicePluginServer
	devices []*v1beta1.Device
}

func (p *plugin) GetDevicePluginOptions(context.Context, *v1beta1.Empty) (*v1beta1.DevicePluginOptions, error) {
	return &v1beta1.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *v1beta1.Empty, stream grpc.ServerStreamingServer[v1beta1.ListAndWatchResponse]) error {
	if err := stream.Send(&v1beta1.ListAndWatchResponse{Devices: p.devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (p *plugin) Allocate(_ context.Context, request *v1beta1.AllocateRequest) (*v1beta1.AllocateResponse, error) {
	response := &v1beta1.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &v1beta1.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")},
		})
	}
	return response, nil
}

func register(directory, resource string) error {
	connection, err := grpc.NewClient("unix://"+filepath.Join(directory, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = v1beta1.NewRegistrationClient(connection).Register(ctx, &v1beta1.RegisterRequest{
		Version: v1beta1.Version, Endpoint: socketName, ResourceName: resource,
	})
	return err
}

// serve offers the devices until the socket is gone: a kubelet that starts empties the directory, and every plugin
// has to register with it anew.
func serve(directory, resource string, devices []*v1beta1.Device) error {
	socket := filepath.Join(directory, socketName)
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	v1beta1.RegisterDevicePluginServer(server, &plugin{devices: devices})
	go server.Serve(listener)
	defer server.Stop()
	if err := register(directory, resource); err != nil {
		return err
	}
	log.Printf("registered %d of %s", len(devices), resource)
	for {
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("the kubelet has restarted: %w", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func main() {
	directory := flag.String("directory", v1beta1.DevicePluginPath, "the kubelet's directory of device plugins")
	resource := flag.String("resource", "nvidia.com/gpu", "the extended resource to offer")
	count := flag.Int("count", 1, "how many devices to offer")
	prefix := flag.String("prefix", "GPU", "how the devices' identifiers begin")
	flag.Parse()
	var devices []*v1beta1.Device
	for index := range *count {
		devices = append(devices, &v1beta1.Device{ID: fmt.Sprintf("%s-%d", *prefix, index), Health: v1beta1.Healthy})
	}
	for {
		if err := serve(*directory, *resource, devices); err != nil {
			log.Print(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
