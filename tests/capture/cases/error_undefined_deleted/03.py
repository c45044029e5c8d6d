del table
