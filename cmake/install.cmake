# What `cmake --install` puts where, as a package would. The configuration and the polkit rule name the
# site's own hosts and units: they go to the documentation, to be copied into /etc and edited.
include(GNUInstallDirs)

install(TARGETS pointsman RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES systemd/pointsman.service DESTINATION lib/systemd/system)
install(FILES systemd/pointsman.sysusers.conf DESTINATION lib/sysusers.d RENAME pointsman.conf)
install(FILES systemd/pointsman.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME pointsman.conf)
install(FILES systemd/pointsman-pgbouncer.tmpfiles.conf DESTINATION lib/tmpfiles.d
        RENAME pointsman-pgbouncer.conf)
# Scenarios name examples: side by side.
install(DIRECTORY etc/examples etc/scenarios etc/polkit DESTINATION ${CMAKE_INSTALL_DOCDIR}
        USE_SOURCE_PERMISSIONS)
install(FILES etc/pointsman.yaml README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
