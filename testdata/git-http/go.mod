module tranche.test/git-http

go 1.21
