kubectl create secret generic @SERVICE@-key --from-env-file=@FILE@
kubectl set env deployment/YOUR-APP --from=secret/@SERVICE@-key
