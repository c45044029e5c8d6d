module func

go 1.21

require github.com/fnproject/fdk-go v0.0.63
