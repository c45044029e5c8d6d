%load_ext nothing
x = 1
!ls
