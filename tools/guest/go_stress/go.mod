module go_stress

go 1.19
