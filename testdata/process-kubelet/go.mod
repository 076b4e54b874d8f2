module tranche.example/process-kubelet

go 1.26.0
